// Placeholder until StoreTests land.
