// Placeholder until Engine lands.
