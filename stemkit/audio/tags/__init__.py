"""What audio files say of themselves besides their samples."""
