// Placeholder until CommandTests land.
