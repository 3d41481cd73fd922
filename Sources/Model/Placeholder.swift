// Placeholder until Model lands.
