"""What keeps people out of the lake: free text without personal data, keyed hashes in place of ids."""
