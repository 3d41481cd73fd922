// Placeholder until Store lands.
