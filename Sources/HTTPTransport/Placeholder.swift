// Placeholder until HTTPTransport lands.
