"""Looking a track over: its pictures, and what in its stems deserves a second ear."""
