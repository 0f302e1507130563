"""SQL, one file per table family. Every function takes the connection of its caller's transaction."""
