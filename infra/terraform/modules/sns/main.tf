# Status changes as messages, for queues, HTTP endpoints, phones, and people with an email subscription.
# Subscribers filter by the attributes `user_id`, `event` and `question_uuid`; a subscription without a
# filter gets everybody's messages, so never make one.

# PREFIXmail-0, PREFIXmail-1 and so on without a gap, as the program looks for them.
resource "aws_sns_topic" "mail" {
  count = var.topics

  name              = "${var.prefix}mail-${count.index}"
  kms_master_key_id = var.kms_key_arn
}
