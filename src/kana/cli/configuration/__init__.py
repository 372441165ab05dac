"""What the configuration commands share: the file, the server, the local checks and the screen."""
