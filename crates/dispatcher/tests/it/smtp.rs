//! A small SMTP server on the loopback that answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Default)]
pub struct Mail {
    pub to: String,
    pub from: String,
    /// What was said to authenticate.
    pub auth: String,
    /// Whether it came over TLS.
    pub tls: bool,
    pub data: String,
}

/// Answer to a command, given its line (`.` after a mail) and how many mails have come; `None`: the usual one.
type Script = Arc<dyn Fn(&str, usize) -> Option<String> + Send + Sync>;

pub struct Smtp {
    pub address: SocketAddr,
    pub mails: Arc<Mutex<Vec<Mail>>>,
    _tasks: JoinSet<()>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

#[derive(Clone)]
struct Session {
    tls: Option<TlsAcceptor>,
    mails: Arc<Mutex<Vec<Mail>>>,
    script: Script,
}

impl Smtp {
    /// With `tls`: from the first byte if `wrapped`, else after STARTTLS.
    pub async fn start(
        tls: Option<TlsAcceptor>,
        wrapped: bool,
        script: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Smtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let session = Session { tls, mails: Arc::clone(&mails), script: Arc::new(script) };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let session = session.clone();
                connections.spawn(async move {
                    let stream: Box<dyn Stream> = match session.tls.clone().filter(|_| wrapped) {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    session.serve(stream, wrapped).await;
                });
            }
        });
        Smtp { address, mails, _tasks: tasks }
    }

    pub fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    pub fn mail(&self, n: usize) -> Mail {
        self.mails.lock().unwrap()[n].clone()
    }
}

impl Session {
    async fn serve(&self, stream: Box<dyn Stream>, wrapped: bool) {
        let mut stream = BufReader::new(stream);
        let mut mail = Mail { tls: wrapped, ..Mail::default() };
        let mut said = "220 mail.example ESMTP\r\n".to_owned();
        loop {
            if stream.get_mut().write_all(said.as_bytes()).await.is_err() {
                return;
            }
            let Some(line) = read(&mut stream).await else { return };
            let count = self.mails.lock().unwrap().len();
            let mut own = (self.script)(&line, count);
            let refused = own.as_ref().is_some_and(|own| !own.starts_with(['2', '3']));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            let usual = match verb.as_str() {
                "EHLO" if self.tls.is_some() && !mail.tls => "250-mail.example\r\n250 STARTTLS\r\n",
                "EHLO" => "250-mail.example\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n",
                "STARTTLS" => {
                    stream.get_mut().write_all(b"220 go on\r\n").await.unwrap();
                    let tls = self.tls.clone().unwrap();
                    let Ok(inner) = tls.accept(stream.into_inner()).await else { return };
                    stream = BufReader::new(Box::new(inner) as Box<dyn Stream>);
                    mail.tls = true;
                    let Some(_) = read(&mut stream).await else { return };
                    "250-mail.example\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n"
                }
                "AUTH" => {
                    mail.auth = line.clone();
                    "235 welcome\r\n"
                }
                "MAIL" => {
                    mail.from = line.clone();
                    "250 yes\r\n"
                }
                "RCPT" => {
                    mail.to = line.clone();
                    "250 yes\r\n"
                }
                "DATA" if !refused => {
                    stream.get_mut().write_all(b"354 go on\r\n").await.unwrap();
                    mail.data.clear();
                    while let Some(line) = read(&mut stream).await.filter(|line| line != ".") {
                        mail.data.push_str(&line);
                        mail.data.push('\n');
                    }
                    self.mails.lock().unwrap().push(mail.clone());
                    own = (self.script)(".", count + 1);
                    "250 queued as 4711\r\n"
                }
                "QUIT" => return,
                _ => "250 yes\r\n",
            };
            said = own.unwrap_or_else(|| usual.to_owned());
        }
    }
}

async fn read(stream: &mut BufReader<Box<dyn Stream>>) -> Option<String> {
    let mut line = String::new();
    (stream.read_line(&mut line).await.ok()? > 0).then(|| line.trim_end().to_owned())
}
