"""What Kana publishes over HTTP, a folder per face; what the faces share stands beside them."""
