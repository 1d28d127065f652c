// A stand-in for the shop's frontend: what imagegen.go and imagegen_grpc.go use of it, under the same names,
// and the lines that docs/frontend.md asks for.

package main

import (
	"context"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"

	"github.com/gorilla/mux"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

type ctxKeySessionID struct{}
type ctxKeyLog struct{}
type ctxKeyTrace struct{}

var (
	baseUrl   = os.Getenv("BASE_URL")
	templates = template.Must(template.New("").ParseGlob(os.Getenv("TEMPLATES") + "/*.html"))
)

func sessionID(r *http.Request) string {
	id, _ := r.Context().Value(ctxKeySessionID{}).(string)
	return id
}

func mustConnGRPC(ctx context.Context, conn **grpc.ClientConn, addr string) {
	var err error
	// The shop's stats handler sends the trace along; here an interceptor does.
	traced := func(ctx context.Context, method string, req, reply interface{}, cc *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if trace, ok := ctx.Value(ctxKeyTrace{}).(string); ok {
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", trace)
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	*conn, err = grpc.DialContext(ctx, addr, grpc.WithInsecure(), grpc.WithUnaryInterceptor(traced))
	if err != nil {
		panic(err)
	}
}

func middle(log logrus.FieldLogger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), ctxKeyLog{}, log)
		if cookie, err := r.Cookie("shop_session-id"); err == nil {
			ctx = context.WithValue(ctx, ctxKeySessionID{}, cookie.Value)
		}
		if trace := r.Header.Get("traceparent"); trace != "" {
			ctx = context.WithValue(ctx, ctxKeyTrace{}, trace)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func cart(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", os.Getenv("POLICY"))
	http.SetCookie(w, &http.Cookie{Name: "shop_session-id", Value: "demo-shopper", HttpOnly: true})
	data := map[string]interface{}{"baseUrl": baseUrl, "imagegen_enabled": imagegenEnabled}
	if err := templates.ExecuteTemplate(w, "cart", data); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func main() {
	log := logrus.New()
	log.Out = os.Stderr
	log.Formatter = &logrus.JSONFormatter{}
	r := mux.NewRouter()
	r.HandleFunc(baseUrl+"/cart", cart).Methods(http.MethodGet)
	static := http.FileServer(http.Dir(os.Getenv("STATIC")))
	r.PathPrefix(baseUrl + "/static/").Handler(http.StripPrefix(baseUrl+"/static/", static))
	serveImagegen(context.Background(), r)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, middle(log, r)))
}
