// Placeholder until HTTPTests land.
