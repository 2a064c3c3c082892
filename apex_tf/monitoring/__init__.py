"""What a run says of itself: status, metrics, pictures and its directory."""
