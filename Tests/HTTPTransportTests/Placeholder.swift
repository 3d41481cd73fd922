// Placeholder until HTTPTransportTests land.
