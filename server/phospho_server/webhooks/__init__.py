"""Tell other programs of events, by HTTP: who is told, what is sent, and that it arrives."""
