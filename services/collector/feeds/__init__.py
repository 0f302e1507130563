"""One file per polled source: pages of payloads in the shape that ``sources`` reads, oldest first."""
