// Placeholder until BytesTests land.
