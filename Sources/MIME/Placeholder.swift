// Placeholder until MIME lands.
