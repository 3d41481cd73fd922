// Placeholder until Crypto lands.
