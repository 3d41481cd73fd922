// Placeholder until HTTP lands.
