"""How experience is made."""
