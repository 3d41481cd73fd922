// Placeholder until MailProtocolsTests land.
