"""A song's stems on the disk, and what is known of them."""
