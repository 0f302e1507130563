"""One file per part of the surface; each ends with its lines of the route table."""
