"""What a head could attend to, and its attention over tokens, words or mentions."""
