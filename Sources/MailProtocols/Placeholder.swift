// Placeholder until MailProtocols lands.
