// Placeholder until MailTransport lands.
