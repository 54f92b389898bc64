//! Parquet files: written whole or not at all, read batch by batch.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};

/// Rows of a row group, at most: some megabytes, of which readers skip whole groups, and pages, by
/// the statistics of the columns that the file is sorted by.
pub const GROUP_ROWS: usize = 1 << 17;
/// Rows of a batch that is read.
const BATCH_ROWS: usize = 8_192;

/// A file that appears under its name once it is whole: it is written beside it and renamed.
pub struct ParquetFile {
    writer: ArrowWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl ParquetFile {
    /// Begins a file of rows that come sorted by these columns. Its folders are made.
    pub fn create(path: &Path, schema: SchemaRef, sorted_by: &[&str]) -> Result<ParquetFile> {
        let failed = failed(path);
        fs::create_dir_all(path.parent().unwrap_or(path)).map_err(|e| failed(&e))?;
        let temporary = path.with_extension("parquet.tmp");
        let file = File::create(&temporary).map_err(|e| failed(&e))?;
        let properties = properties(&schema, sorted_by);
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| failed(&e))?;
        Ok(ParquetFile { writer, temporary, path: path.to_owned() })
    }

    /// Adds rows.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).map_err(|e| failed(&self.path)(&e))
    }

    /// Ends the file: durable, and under its name. Returns its size in bytes.
    pub fn finish(self) -> Result<u64> {
        let failed = failed(&self.path);
        let file = self.writer.into_inner().map_err(|e| failed(&e))?;
        file.sync_all().map_err(|e| failed(&e))?;
        let bytes = file.metadata().map_err(|e| failed(&e))?.len();
        fs::rename(&self.temporary, &self.path).map_err(|e| failed(&e))?;
        let parent = self.path.parent().unwrap_or(&self.path);
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(|e| failed(&e))?;
        Ok(bytes)
    }
}

/// Statistics by page, as is the writer's default, and the sort order. Nothing that changes from run
/// to run: equal rows give equal files.
fn properties(schema: &Schema, sorted_by: &[&str]) -> WriterProperties {
    // Parquet counts leaves, which are the columns as long as none is nested.
    let flat = schema.fields().iter().all(|field| !field.data_type().is_nested());
    let place = |name: &&str| schema.index_of(name).ok().filter(|_| flat).and_then(|at| i32::try_from(at).ok());
    let sorting: Option<Vec<SortingColumn>> = sorted_by
        .iter()
        .map(|name| Some(SortingColumn { column_idx: place(name)?, descending: false, nulls_first: true }))
        .collect();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("oddsmill".into())
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_sorting_columns(sorting.filter(|columns| !columns.is_empty()))
        .build()
}

/// Reads some columns of a file, in the file's order.
pub fn read(path: &Path, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let unreadable = unreadable(path);
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| unreadable(&e))?;
    Ok(reader.map(move |batch| batch.map_err(|e| unreadable(&e))))
}

fn failed(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> Error + use<> {
    let what = format!("export to {}", path.display());
    move |cause| Error::fatal(&what, cause)
}

fn unreadable(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> Error + Send + use<> {
    let path = path.display().to_string();
    move |cause| Error::Reject(format!("{path} cannot be read as Parquet: {cause}; export it again"))
}
