"""A phospho detector for what is said again: users who were not helped, bots that go in circles."""
