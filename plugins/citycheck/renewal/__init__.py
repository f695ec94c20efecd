"""From shortfall to project: what to renew, where, and what it would bring."""
