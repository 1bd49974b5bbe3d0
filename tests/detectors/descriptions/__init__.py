"""Tables of descriptions, by what they speak of."""
