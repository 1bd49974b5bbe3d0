"""Tell people when an event occurs too often: what is too often, who looks, and in which words."""
