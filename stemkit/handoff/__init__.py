"""What other programs open: projects and files made of a song's stems."""
