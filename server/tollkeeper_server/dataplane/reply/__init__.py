"""What goes back: the answer, and what it used."""
