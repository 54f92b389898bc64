output "bucket_arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}

output "folder" {
  description = "The folder of the bucket that workers use."
  value       = var.folder
}

output "states" {
  description = "The program's aws.states."
  value       = "s3://${aws_s3_bucket.this.bucket}/${var.folder}"
}
