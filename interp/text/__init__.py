"""What holds of text whatever the corpus or model: words, punctuation, spelling, what a terminal may show."""
