//! What the servers of the tests log as errors, by the thread that logs: a server's threads bear its number.

use std::sync::{Mutex, Once, PoisonError};

static ERRORS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Keeps what is logged as an error, with the name of the thread.
struct ErrorLog;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for ErrorLog {
    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::ERROR)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write as _;
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        if *event.metadata().level() != tracing::Level::ERROR {
            return;
        }
        let mut text = Text(event.metadata().target().to_owned());
        event.record(&mut text);
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push((thread, text.0));
    }
}

/// Listens from the first server on.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use tracing_subscriber::layer::SubscriberExt as _;
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ErrorLog)).unwrap();
    });
}

/// What threads of this name logged since the last call.
pub fn errors_of(name: &str) -> Vec<String> {
    let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    let (own, others) = errors.drain(..).partition(|(thread, _)| thread == name);
    *errors = others;
    let own: Vec<(String, String)> = own;
    own.into_iter().map(|(_, text)| text).collect()
}
