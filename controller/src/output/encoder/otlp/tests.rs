//! What a collector reads, by OpenTelemetry's own message types: the bytes are held against the published contract, not against ours.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::tests::said;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message;

fn shown(attributes: &[KeyValue]) -> String {
    let one = |pair: &KeyValue| match &pair.value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => format!("{}={text:?}", pair.key),
        other => format!("{}: {other:?}", pair.key),
    };
    let all: Vec<String> = attributes.iter().map(one).collect();
    all.join(",")
}

fn lines(body: &[u8], lines: &mut Vec<String>) {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    for resource in &request.resource_metrics {
        let attributes = &resource.resource.as_ref().unwrap().attributes;
        lines.push(format!("resource {}", shown(attributes)));
        for scope in &resource.scope_metrics {
            lines.push(format!("scope {}", scope.scope.as_ref().unwrap().name));
            for metric in &scope.metrics {
                let start = format!("{} [{}]", metric.name, metric.unit);
                let number = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| {
                    let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                        panic!("no double");
                    };
                    format!(
                        "{{{}}} {value} from {} to {}",
                        shown(&point.attributes),
                        point.start_time_unix_nano,
                        point.time_unix_nano
                    )
                };
                match metric.data.as_ref().unwrap() {
                    Data::Gauge(gauge) => lines.extend(
                        gauge
                            .data_points
                            .iter()
                            .map(|point| format!("{start} gauge {}", number(point))),
                    ),
                    Data::Sum(sum) => {
                        let kind = format!(
                            "sum temporality {} monotonic {}",
                            sum.aggregation_temporality, sum.is_monotonic
                        );
                        let points = sum.data_points.iter();
                        lines.extend(
                            points.map(|point| format!("{start} {kind} {}", number(point))),
                        );
                    }
                    Data::ExponentialHistogram(histogram) => {
                        for point in &histogram.data_points {
                            let positive = point.positive.as_ref().unwrap();
                            assert_eq!(
                                positive.bucket_counts.iter().sum::<u64>() + point.zero_count,
                                point.count
                            );
                            assert!(positive.bucket_counts.len() <= 160);
                            lines.push(format!(
                                "{start} temporality {} {{{}}} count {} sum {:?} min {:?} max {:?} scale {} offset {} buckets {:?}",
                                histogram.aggregation_temporality,
                                shown(&point.attributes),
                                point.count,
                                point.sum,
                                point.min,
                                point.max,
                                point.scale,
                                positive.offset,
                                positive.bucket_counts,
                            ));
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn what_a_collector_reads() {
    let mut all = Vec::new();
    for batch in said("otlp=http://h") {
        let before = all.len();
        lines(&batch.body, &mut all);
        // Without the lines of resource and scope.
        assert_eq!(batch.points, (all.len() - before - 2) as u64);
        all.push("--".to_owned());
    }
    insta::assert_snapshot!(all.join("\n"));
}
