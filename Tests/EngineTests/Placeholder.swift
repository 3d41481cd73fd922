// Placeholder until EngineTests land.
