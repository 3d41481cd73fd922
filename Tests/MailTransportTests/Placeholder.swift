// Placeholder until MailTransportTests land.
