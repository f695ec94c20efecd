"""What people read: the page of a release. Numbers are rounded here and nowhere before."""
