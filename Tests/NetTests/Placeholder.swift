// Placeholder until NetTests land.
