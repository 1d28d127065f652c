// Pictures of the cart: the gRPC calls, and where they meet the shop's own code.
//
// Of the shop it uses frontendServer's neighbours mustConnGRPC, sessionID, baseUrl and ctxKeyLog, and the
// stubs in genproto, to which `protoc` has added those of imagegen.proto.

package main

import (
	"context"
	"net"
	"net/http"
	"os"

	"github.com/gorilla/mux"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/GoogleCloudPlatform/microservices-demo/src/frontend/genproto"
)

const imagegenHTTPPort = "8081"

// imagegenEnabled tells the templates whether there is a button.
var imagegenEnabled bool

// serveImagegen adds the routes, if IMAGE_GENERATION_SERVICE_ADDR (host:port) is set. Pictures come from the
// same host's port 8081, or from IMAGE_GENERATION_SERVICE_HTTP_ADDR.
//
// The connection is the shop's own kind: traces join by its stats handler.
func serveImagegen(ctx context.Context, r *mux.Router) {
	addr := os.Getenv("IMAGE_GENERATION_SERVICE_ADDR")
	if addr == "" {
		return
	}
	pictures := os.Getenv("IMAGE_GENERATION_SERVICE_HTTP_ADDR")
	if pictures == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		pictures = net.JoinHostPort(host, imagegenHTTPPort)
	}
	var conn *grpc.ClientConn
	mustConnGRPC(ctx, &conn, addr)
	calls := imagegenStub{pb.NewImageGenerationServiceClient(conn)}
	handler := newImagegenHandler(baseUrl, "http://"+pictures, calls, sessionID, imagegenLog)
	r.PathPrefix(baseUrl + imagegenPath + "/").Handler(handler)
	imagegenEnabled = true
}

func imagegenLog(r *http.Request, what string, err error) {
	if log, ok := r.Context().Value(ctxKeyLog{}).(logrus.FieldLogger); ok {
		log.WithField("error", err).Warn(what)
	}
}

type imagegenStub struct {
	client pb.ImageGenerationServiceClient
}

func (s imagegenStub) generate(ctx context.Context, user string, order imagegenOrder) (imagegenState, error) {
	answer, err := s.client.GenerateCartImage(ctx, &pb.GenerateCartImageRequest{
		UserId:             user,
		StylePreference:    order.Style,
		BackgroundImageUrl: order.Background,
		AspectRatio:        order.Shape,
		IdempotencyKey:     order.Key,
	})
	if err != nil {
		return imagegenState{}, imagegenFaultOf(err)
	}
	return imagegenStateOf(answer), nil
}

func (s imagegenStub) status(ctx context.Context, user, id string) (imagegenState, error) {
	answer, err := s.client.GetImageGenerationStatus(ctx, &pb.GetStatusRequest{GenerationId: id, UserId: user})
	if err != nil {
		return imagegenState{}, imagegenFaultOf(err)
	}
	return imagegenStateOf(answer), nil
}

func (s imagegenStub) upload(ctx context.Context, user, base64Data string) (imagegenUploaded, error) {
	answer, err := s.client.UploadBackground(ctx, &pb.UploadBackgroundRequest{ImageData: base64Data, UserId: user})
	if err != nil {
		return imagegenUploaded{}, imagegenFaultOf(err)
	}
	return imagegenUploaded{
		Status:     answer.GetStatus(),
		Background: answer.GetImageUrl(),
		Reason:     answer.GetErrorReason(),
		Message:    answer.GetErrorMessage(),
	}, nil
}

// imagegenAnswer is what both calls say of a generation.
type imagegenAnswer interface {
	GetGenerationId() string
	GetStatus() string
	GetStage() string
	GetProgress() int32
	GetImageUrl() string
	GetEngine() string
	GetProductsLeftOut() []string
	GetErrorReason() string
	GetErrorMessage() string
}

func imagegenStateOf(answer imagegenAnswer) imagegenState {
	return imagegenState{
		ID:       answer.GetGenerationId(),
		Status:   answer.GetStatus(),
		Stage:    answer.GetStage(),
		Progress: answer.GetProgress(),
		Image:    answer.GetImageUrl(),
		Engine:   answer.GetEngine(),
		LeftOut:  len(answer.GetProductsLeftOut()),
		Reason:   answer.GetErrorReason(),
		Message:  answer.GetErrorMessage(),
	}
}

// imagegenFaultOf says in HTTP's words why a call had no answer. The details are for the log alone.
func imagegenFaultOf(err error) imagegenFault {
	fault := imagegenFault{code: http.StatusBadGateway, reason: "INTERNAL", cause: err}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		fault.code, fault.reason, fault.after = http.StatusTooManyRequests, "OVERLOADED", 5
	case codes.Unavailable:
		fault.code, fault.reason, fault.after = http.StatusServiceUnavailable, "UNAVAILABLE", 2
	case codes.DeadlineExceeded:
		fault.code, fault.reason, fault.after = http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", 2
	case codes.InvalidArgument:
		fault.code, fault.reason = http.StatusBadRequest, "INVALID_REQUEST"
	}
	return fault
}
