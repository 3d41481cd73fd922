// Placeholder until LayerTests land.
