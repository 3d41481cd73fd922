// Placeholder until MIMETests land.
