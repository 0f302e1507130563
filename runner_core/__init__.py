"""What every runner shares: attempt loop, log pipe, model proxy, patch gate, publisher. Knows no sandbox vendor."""
