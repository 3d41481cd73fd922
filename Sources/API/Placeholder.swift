// Placeholder until API lands.
