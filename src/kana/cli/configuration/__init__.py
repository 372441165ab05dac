"""What the commands about the configuration share: the file, the server, the local checks and the screen."""
