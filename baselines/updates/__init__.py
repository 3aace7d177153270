"""How a team is changed by a batch: what algorithms share once they have said what each turn was worth."""
