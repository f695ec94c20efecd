"""The release: an immutable, hashed, versioned bundle of files, and a small pointer to the current one."""
